//! wip
pub(crate) fn run(_w: &[String]) -> anyhow::Result<()> {
    Ok(())
}
