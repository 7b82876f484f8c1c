//! wip
use crate::config::Settings;
pub(crate) fn run(_s: Settings) -> anyhow::Result<()> {
    crate::logging::start(false);
    Ok(())
}
