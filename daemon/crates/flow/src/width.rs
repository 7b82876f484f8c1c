//! How many seats a request takes.

use crate::limits::{LIST_SEATS_MAX, OBJECTS_PER_SEAT};

/// A list, or the first part of a watch that begins with one, as far as its work can be foreseen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing {
    /// Objects of the resource, of all namespaces.
    pub objects: u64,
    /// What the client asks for at once; 0: all.
    pub limit: u64,
    /// Whether a selector is applied to each object.
    pub selects: bool,
    /// Whether it can be of one object only.
    pub single: bool,
}

impl Listing {
    /// The seats that it takes, of `max` at most.
    pub(crate) fn seats(&self, max: Option<u32>) -> u32 {
        let max = max.unwrap_or(LIST_SEATS_MAX).clamp(1, LIST_SEATS_MAX);
        let objects = match (self.single, self.selects, self.limit) {
            (true, ..) => 1,
            (false, true, _) | (false, false, 0) => self.objects,
            (false, false, limit) => self.objects.min(limit),
        };
        let seats = objects.div_ceil(OBJECTS_PER_SEAT);
        u32::try_from(seats).unwrap_or(max).clamp(1, max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_as_wide_as_what_it_reads() {
        let list = Listing {
            objects: 650,
            ..Listing::default()
        };
        assert_eq!(list.seats(None), 7);
        assert_eq!(list.seats(Some(4)), 4);
        assert_eq!(list.seats(Some(0)), 1);
        assert_eq!(Listing { limit: 100, ..list }.seats(None), 1);
        let selects = Listing {
            limit: 100,
            selects: true,
            ..list
        };
        assert_eq!(selects.seats(None), 7);
        let single = Listing {
            single: true,
            ..list
        };
        assert_eq!(single.seats(None), 1);
        let many = Listing {
            objects: u64::MAX,
            ..list
        };
        assert_eq!(many.seats(None), LIST_SEATS_MAX);
        assert_eq!(Listing::default().seats(None), 1);
    }
}
