//! A series of numbers as a picture in text: LATENCY GRAPH.
//!
//! Four rows high: a column is filled up to its value, its top drawn in one of three heights of a character, and its label runs
//! downwards below it. Wide series go on in further bands.

/// Characters of a row.
pub const WIDTH: usize = 80;
const ROWS: usize = 4;
/// A column's top within its row, from low to high.
const TOPS: [char; 3] = ['_', 'o', '#'];

/// Draws `points`, each with its label.
pub fn draw(points: &[(u64, String)]) -> String {
    let low = points.iter().map(|(value, _)| *value).min().unwrap_or(0);
    let high = points.iter().map(|(value, _)| *value).max().unwrap_or(0);
    let mut text = String::new();
    for band in points.chunks(WIDTH) {
        draw_band(band, low, high, &mut text);
    }
    text
}

fn draw_band(points: &[(u64, String)], low: u64, high: u64, text: &mut String) {
    let steps = (ROWS * TOPS.len()) as u64;
    let height = |value: u64| {
        // A flat series is drawn along the bottom.
        let range = (high - low).max(1);
        ((value - low) * (steps - 1) / range) as usize
    };
    for row in (0..ROWS).rev() {
        let line = points.iter().map(|(value, _)| {
            let height = height(*value);
            match (height / TOPS.len()).cmp(&row) {
                std::cmp::Ordering::Less => ' ',
                std::cmp::Ordering::Equal => TOPS[height % TOPS.len()],
                std::cmp::Ordering::Greater => '|',
            }
        });
        push_line(line, text);
    }
    let label_rows = points
        .iter()
        .map(|(_, label)| label.len())
        .max()
        .unwrap_or(0);
    push_line(std::iter::empty(), text);
    for at in 0..label_rows {
        let line = points
            .iter()
            .map(|(_, label)| label.as_bytes().get(at).map_or(' ', |&byte| byte as char));
        push_line(line, text);
    }
}

fn push_line(characters: impl Iterator<Item = char>, text: &mut String) {
    let line: String = characters.collect();
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[u64]) -> Vec<(u64, String)> {
        values
            .iter()
            .map(|&value| (value, format!("{value}s")))
            .collect()
    }

    #[test]
    fn columns_are_as_high_as_their_values() {
        assert_eq!(
            draw(&points(&[0, 3, 6, 11])),
            "   #\n  _|\n _||\n_|||\n\n0361\nsss1\n   s\n"
        );
    }

    #[test]
    fn a_flat_series_lies_on_the_ground() {
        assert_eq!(draw(&points(&[7, 7])), "\n\n\n__\n\n77\nss\n");
        assert_eq!(draw(&[]), "");
    }

    #[test]
    fn a_wide_series_goes_on_below() {
        let text = draw(&points(&[1; 100]));
        let widths: Vec<usize> = text.lines().map(str::len).filter(|&len| len > 0).collect();
        assert_eq!(widths, [80, 80, 80, 20, 20, 20]);
    }
}
