//! Every method that is served, by path.

/// How many messages go each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unary,
    ServerStream,
    BidiStream,
}

impl Kind {
    /// As grpc-go's metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Unary => "unary",
            Kind::ServerStream => "server_stream",
            Kind::BidiStream => "bidi_stream",
        }
    }
}

macro_rules! methods {
    ($($service:literal { $($variant:ident = $name:literal $kind:ident,)* })*) => {
        /// A method of a service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Method {
            $($($variant,)*)*
        }

        impl Method {
            /// All of them; the position of each is its value.
            pub(crate) const ALL: &'static [Method] = &[$($(Method::$variant,)*)*];

            /// The method that a request's path names.
            pub(crate) fn of(path: &str) -> Option<Method> {
                match path {
                    $($(concat!("/", $service, "/", $name) => Some(Method::$variant),)*)*
                    _ => None,
                }
            }

            /// The service it belongs to.
            pub(crate) fn service(self) -> &'static str {
                match self {
                    $($(Method::$variant => $service,)*)*
                }
            }

            /// Its own name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $($(Method::$variant => $name,)*)*
                }
            }

            /// How many messages go each way.
            pub(crate) fn kind(self) -> Kind {
                match self {
                    $($(Method::$variant => Kind::$kind,)*)*
                }
            }
        }

        /// Whether a path names a service that is served, whatever the method.
        pub(crate) fn service_known(path: &str) -> bool {
            let service = path.trim_start_matches('/').rsplit_once('/').map_or("", |(service, _)| service);
            matches!(service, $($service)|*)
        }
    };
}

impl Method {
    /// Whether it is refused while memory is short: what holds up or heals a cluster is not.
    pub(crate) fn needs_memory(self) -> bool {
        matches!(
            self,
            Method::Range | Method::Put | Method::Txn | Method::Watch | Method::Snapshot
        )
    }

    /// Whether a client may change something with it.
    pub(crate) fn may_write(self) -> bool {
        !matches!(
            self,
            Method::Range
                | Method::Watch
                | Method::LeaseTimeToLive
                | Method::LeaseLeases
                | Method::MemberList
                | Method::Status
                | Method::Hash
                | Method::HashKv
                | Method::Snapshot
                | Method::AuthStatus
                | Method::Leader
                | Method::Observe
                | Method::HealthCheck
                | Method::HealthWatch
        )
    }
}

methods! {
    "etcdserverpb.KV" {
        Range = "Range" Unary,
        Put = "Put" Unary,
        DeleteRange = "DeleteRange" Unary,
        Txn = "Txn" Unary,
        Compact = "Compact" Unary,
    }
    "etcdserverpb.Watch" {
        Watch = "Watch" BidiStream,
    }
    "etcdserverpb.Lease" {
        LeaseGrant = "LeaseGrant" Unary,
        LeaseRevoke = "LeaseRevoke" Unary,
        LeaseKeepAlive = "LeaseKeepAlive" BidiStream,
        LeaseTimeToLive = "LeaseTimeToLive" Unary,
        LeaseLeases = "LeaseLeases" Unary,
    }
    "etcdserverpb.Cluster" {
        MemberAdd = "MemberAdd" Unary,
        MemberRemove = "MemberRemove" Unary,
        MemberUpdate = "MemberUpdate" Unary,
        MemberList = "MemberList" Unary,
        MemberPromote = "MemberPromote" Unary,
    }
    "etcdserverpb.Maintenance" {
        Alarm = "Alarm" Unary,
        Status = "Status" Unary,
        Defragment = "Defragment" Unary,
        Hash = "Hash" Unary,
        HashKv = "HashKV" Unary,
        Snapshot = "Snapshot" ServerStream,
        MoveLeader = "MoveLeader" Unary,
        Downgrade = "Downgrade" Unary,
    }
    "etcdserverpb.Auth" {
        AuthEnable = "AuthEnable" Unary,
        AuthDisable = "AuthDisable" Unary,
        AuthStatus = "AuthStatus" Unary,
        Authenticate = "Authenticate" Unary,
        UserAdd = "UserAdd" Unary,
        UserGet = "UserGet" Unary,
        UserList = "UserList" Unary,
        UserDelete = "UserDelete" Unary,
        UserChangePassword = "UserChangePassword" Unary,
        UserGrantRole = "UserGrantRole" Unary,
        UserRevokeRole = "UserRevokeRole" Unary,
        RoleAdd = "RoleAdd" Unary,
        RoleGet = "RoleGet" Unary,
        RoleList = "RoleList" Unary,
        RoleDelete = "RoleDelete" Unary,
        RoleGrantPermission = "RoleGrantPermission" Unary,
        RoleRevokePermission = "RoleRevokePermission" Unary,
    }
    "v3electionpb.Election" {
        Campaign = "Campaign" Unary,
        Proclaim = "Proclaim" Unary,
        Leader = "Leader" Unary,
        Observe = "Observe" ServerStream,
        Resign = "Resign" Unary,
    }
    "v3lockpb.Lock" {
        Lock = "Lock" Unary,
        Unlock = "Unlock" Unary,
    }
    "grpc.health.v1.Health" {
        HealthCheck = "Check" Unary,
        HealthWatch = "Watch" ServerStream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_method_and_back() {
        for (position, method) in Method::ALL.iter().enumerate() {
            let path = format!("/{}/{}", method.service(), method.name());
            assert_eq!(Method::of(&path), Some(*method));
            assert_eq!(*method as usize, position);
            assert!(service_known(&path));
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "",
            "/",
            "/etcdserverpb.KV",
            "/etcdserverpb.KV/",
            "/etcdserverpb.KV/range",
        ] {
            assert_eq!(Method::of(path), None, "{path}");
        }
        assert!(service_known("/etcdserverpb.KV/Nope"));
        assert!(!service_known("/etcdserverpb.Nope/Range"));
    }
}
