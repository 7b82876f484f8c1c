//! The promise that no value, however odd, makes a function panic, tried on values of chance.

use serde_json::{Map, Value, json};

use crate::columns::KINDS;
use crate::{
    cells, prepare_create, prepare_update, row_conditions, set_defaults, validate_create,
    validate_update,
};

const SEED: u64 = 0x5ee0_1e55_0b5e_55ed;
const ROUNDS: usize = 12;
const DEEPEST: usize = 6;

/// Fields under which most checks lie, in the order in which they nest.
const FIELDS: &[&[&str]] = &[
    &[
        "metadata",
        "spec",
        "status",
        "type",
        "data",
        "roleRef",
        "rules",
        "subsets",
        "endpoints",
    ],
    &[
        "name",
        "labels",
        "annotations",
        "template",
        "selector",
        "containers",
        "initContainers",
        "volumes",
        "ports",
        "rules",
        "jobTemplate",
        "metrics",
        "limits",
        "hard",
        "resources",
        "updateStrategy",
        "strategy",
        "schedule",
        "securityContext",
        "affinity",
        "clusterIPs",
        "accessModes",
        "capacity",
        "podFailurePolicy",
        "conditions",
        "ingress",
        "egress",
        "tls",
    ],
    &[
        "name",
        "image",
        "env",
        "resources",
        "requests",
        "limits",
        "matchLabels",
        "matchExpressions",
        "key",
        "operator",
        "values",
        "livenessProbe",
        "httpGet",
        "port",
        "targetPort",
        "containerPort",
        "protocol",
        "volumeMounts",
        "lifecycle",
        "from",
        "to",
        "emptyDir",
        "configMap",
        "projected",
        "sources",
        "nodeAffinity",
        "rollingUpdate",
        "items",
    ],
];
const SUBRESOURCES: &[&str] = &[
    "",
    "status",
    "scale",
    "finalize",
    "approval",
    "resize",
    "ephemeralcontainers",
];

struct Chance(u64);

impl Chance {
    /// One of so many, by xorshift.
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    fn leaf(&mut self) -> Value {
        const LEAVES: &[&str] = &[
            "null",
            "true",
            "-1",
            "0",
            "1.5e300",
            "18446744073709551615",
            "-9223372036854775808",
            "\"\"",
            "\"a\"",
            "\"100%\"",
            "\"9999999999999999999999Ei\"",
            "\"\u{e9}%/.-_\"",
            "\"None\"",
            "\"2024-13-45T99:99:99Z\"",
            "\"*/0 * * * *\"",
            "\"::1\"",
            "[]",
            "{}",
            "[null]",
            "[{}]",
        ];
        serde_json::from_str(LEAVES[self.below(LEAVES.len())]).unwrap_or(Value::Null)
    }

    fn value(&mut self, depth: usize) -> Value {
        if depth >= DEEPEST || (depth > 0 && self.below(5) == 0) {
            return self.leaf();
        }
        if depth > 0 && self.below(3) == 0 {
            return (0..self.below(3)).map(|_| self.value(depth + 1)).collect();
        }
        let fields = FIELDS[depth.min(FIELDS.len() - 1)];
        let mut object = Map::new();
        for _ in 0..3 {
            // Templates start over with what lies in the middle.
            let fields = if self.below(4) == 0 {
                FIELDS[self.below(3)]
            } else {
                fields
            };
            let field = fields[self.below(fields.len())];
            object.insert(field.to_owned(), self.value(depth + 1));
        }
        Value::Object(object)
    }
}

#[test]
fn odd_shapes_harm_nobody() {
    println!("seed {SEED:#x}");
    let mut chance = Chance(SEED);
    for (group, kind) in KINDS {
        let mut old = json!([]);
        for _ in 0..ROUNDS {
            let mut object = chance.value(0);
            cells(group, kind, &object, 0);
            row_conditions(group, kind, &object);
            validate_create(group, kind, true, &object);
            set_defaults(group, kind, &mut object);
            for subresource in SUBRESOURCES {
                validate_update(group, kind, subresource, &object, &old);
                prepare_update(group, kind, subresource, &mut object.clone(), &old);
            }
            let defaulted = object.clone();
            set_defaults(group, kind, &mut object);
            assert_eq!(object, defaulted, "{group} {kind}: defaults are set once");
            prepare_create(group, kind, &mut object);
            validate_create(group, kind, true, &object);
            validate_update(group, kind, "", &object, &object);
            old = object;
        }
    }
}
