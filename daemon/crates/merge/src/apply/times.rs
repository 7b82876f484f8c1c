//! Times of owners that changed while nothing else did: they are not worth a write.

use serde_json::Value;

/// Where `new` differs from `old` in nothing but the times of its owners, gives it the old ones.
pub fn keep_times(new: &mut Value, old: &Value) {
    let list = |object: &Value| object["metadata"]["managedFields"].as_array().cloned();
    let (Some(new_entries), Some(old_entries)) = (list(new), list(old)) else {
        return;
    };
    if new_entries.is_empty()
        || new_entries.len() != old_entries.len()
        || new_entries == old_entries
    {
        return;
    }
    let timeless = |entries: &[Value]| -> Vec<Value> {
        let mut entries = entries.to_vec();
        for entry in &mut entries {
            if let Value::Object(entry) = entry {
                entry.remove("time");
            }
        }
        entries
    };
    if timeless(&new_entries) == timeless(&old_entries)
        && super::without_managers(new) == super::without_managers(old)
    {
        super::put(new, old_entries);
    }
}
