//! Certificate authorities, leaf certificates, join tokens, kubeconfig.
