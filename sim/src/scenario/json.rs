//! How values are written in a scenario's JSON: spans as whole nanoseconds, the
//! erasure code by its name, and nothing by leaving it out.

use serde::{Deserialize, Deserializer};

/// A span in nanoseconds, at most 584 years.
pub(super) mod nanos {
    use linecast_protocol::time::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::scenario) fn serialize<S: Serializer>(
        span: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

/// The same where there may be none, which is written as null.
pub(super) mod nanos_or_null {
    use linecast_protocol::time::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::scenario) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::nanos::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let ns = Option::<u64>::deserialize(from)?;
        Ok(ns.map(Duration::from_nanos))
    }
}

/// An erasure code by its name.
pub(super) mod codec {
    use linecast_fec::Codec;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::scenario) fn serialize<S: Serializer>(
        codec: &Codec,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(codec.name())
    }

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Codec, D::Error> {
        let name = String::deserialize(from)?;
        let known = [Codec::Gf8, Codec::Gf16Low];
        let found = known.into_iter().find(|codec| codec.name() == name);
        found.ok_or_else(|| D::Error::custom(format_args!("unknown erasure code {name:?}")))
    }
}

/// Something that may be null but not left out.
pub(super) fn required<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(from)
}
