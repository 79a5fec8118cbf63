/// The line between the files of an input that stands for several.
const BETWEEN: &[u8] = b"\n--file--\n";

/// Splits an input into the files that it stands for. There is at least one.
pub fn parts(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&data[..at]);
        data = &data[at + BETWEEN.len()..];
    }
    parts.push(data);
    parts
}
