//! How moments, names and ids are written in the small JSON files.

/// A moment as RFC 3339, in whole seconds.
pub(super) mod at {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::clock;

    pub(in crate::store) fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&clock::rfc3339(*at))
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        clock::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not a moment as RFC 3339 writes it"))
    }
}

/// The same where there may be none.
pub(super) mod maybe_at {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct At(#[serde(with = "super::at")] SystemTime);

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(in crate::store) fn serialize<S: Serializer>(
        at: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(At).serialize(to)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<At>::deserialize(from)?.map(|At(at)| at))
    }
}

/// Names as a list, the primary one first.
pub(super) mod names {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::ident::{Name, Names};

    pub(in crate::store) fn serialize<S: Serializer>(names: &Names, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(names)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        Names::new(Vec::<Name>::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// The id of an item as it stands on disk.
pub(super) mod item {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::ident::ItemId;

    pub(in crate::store) fn serialize<S: Serializer>(id: &ItemId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ItemId, D::Error> {
        ItemId::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Moments by name.
pub(super) mod map {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct At(#[serde(with = "super::at")] SystemTime);

    pub(in crate::store) fn serialize<S: Serializer>(
        moments: &BTreeMap<String, SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(moments.iter().map(|(name, at)| (name, At(*at))))
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, SystemTime>, D::Error> {
        let moments = BTreeMap::<String, At>::deserialize(from)?;
        Ok(moments.into_iter().map(|(name, At(at))| (name, at)).collect())
    }
}
