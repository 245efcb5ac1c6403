use std::fmt::{self, Debug, Write};

/// Longer names are cut.
const LONGEST: usize = 60;

/// The type's name, which the `Debug` text of a part starts with where it is derived; what stands
/// there instead where it is not.
pub(super) fn part_name(part: &dyn Debug) -> String {
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
