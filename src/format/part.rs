//! Parts of a composition behind a trait: those that this crate has can be saved.

use std::fmt::{self, Debug, Write};

/// Longer names are cut.
const LONGEST: usize = 60;

/// The type's name, which the `Debug` text of a part starts with where it is derived; what stands
/// there instead where it is not.
pub(crate) fn part_name(part: &dyn Debug) -> String {
    let mut start = Start(String::new());
    // An error says that there is enough, or the part's own `Debug` failed.
    let _ = write!(start, "{part:?}");
    let name: String = start.0.chars().take_while(|c| c.is_alphanumeric() || "_:<>".contains(*c)).collect();
    if name.is_empty() { start.0 } else { name }
}

/// Keeps the first characters written and stops the writer then.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= LONGEST {
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

/// An enum of this crate's implementations of a trait, and a module for `serde(with)` of an
/// `Arc<dyn Trait>`.
macro_rules! parts {
    (
        $(#[$meta:meta])*
        enum $name:ident $(in $module:ident)?: $trait:ident, $what:literal {
            $($variant:ident($type:ty)),+ $(; $($unit:ident = $value:ident),+)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($variant($type),)+
            $($($unit,)+)?
        }

        impl $name {
            /// # Errors
            /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for a user's own.
            pub(crate) fn of(part: &dyn $trait) -> $crate::error::Result<Self> {
                let any: &dyn std::any::Any = part;
                if let Some(inner) = any.downcast_ref::<Box<dyn $trait>>() {
                    return Self::of(inner.as_ref());
                }
                $(if let Some(own) = any.downcast_ref::<$type>() {
                    return Ok(Self::$variant(own.clone()));
                })+
                $($(if any.is::<$value>() {
                    return Ok(Self::$unit);
                })+)?
                let name = $crate::format::part_name(&part);
                let what = format_args!(concat!($what, " `{}` is not this crate's own and cannot be saved"), name);
                Err($crate::format::invalid(what))
            }

            pub(crate) fn load(self) -> std::sync::Arc<dyn $trait> {
                match self {
                    $(Self::$variant(part) => std::sync::Arc::new(part),)+
                    $($(Self::$unit => std::sync::Arc::new($value),)+)?
                }
            }
        }

        $(pub(crate) mod $module {
            use std::sync::Arc;

            use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

            use super::{$name, $trait};

            pub(crate) fn serialize<S: Serializer>(part: &Arc<dyn $trait>, serializer: S) -> Result<S::Ok, S::Error> {
                $name::of(part.as_ref()).map_err(ser::Error::custom)?.serialize(serializer)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<dyn $trait>, D::Error> {
                Ok($name::deserialize(deserializer)?.load())
            }
        })?
    };
}
pub(crate) use parts;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first_and_long_texts_are_cut() {
        #[derive(Debug)]
        #[expect(dead_code)]
        struct Network {
            layers: Vec<f64>,
        }
        assert_eq!(part_name(&Network { layers: vec![0.0; 1_000_000] }), "Network");
        assert_eq!(part_name(&"( )".repeat(1000)).len(), LONGEST);
    }
}
