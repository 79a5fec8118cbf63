use neural_phylogeny::ParameterSource;

/// Most tensors of one source that are read.
const TENSORS: usize = 48;

/// Most values that are read at each of three places of a tensor.
const VALUES: usize = 256;

/// Lists the tensors of a source and reads values at the beginning, in the middle and at the end of each.
///
/// # Panics
///
/// When the source breaks the contract of [`ParameterSource`]: tensors out of order, a range beyond the end that is read, or
/// values that are others when they are read in two pieces.
pub fn read(source: &dyn ParameterSource) {
    let Ok(parameters) = source.parameters() else { return };
    assert!(parameters.windows(2).all(|pair| pair[0].name < pair[1].name), "tensors out of order");
    let _ = source.left_out();
    for parameter in parameters.iter().take(TENSORS) {
        let (name, size) = (&parameter.name, parameter.size());
        let count = size.min(VALUES);
        for offset in [0, (size - count) / 2, size - count] {
            let mut whole = vec![0f32; count];
            if source.read(name, offset, &mut whole).is_err() {
                continue;
            }
            let mut pieces = vec![0f32; count];
            let (first, second) = pieces.split_at_mut(count / 3);
            source.prefetch(name, offset, count);
            source.read(name, offset, first).expect("a part of a range that was read");
            source.read(name, offset + first.len(), second).expect("a part of a range that was read");
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&pieces), "`{name}` from {offset} on, in one piece and in two");
        }
        assert!(source.read(name, size, &mut [0.0]).is_err(), "`{name}` beyond its end");
        let stored = size.saturating_mul(parameter.dtype.size());
        let mut bytes = vec![0; stored.min(VALUES)];
        let _ = source.read_bytes(name, stored - bytes.len(), &mut bytes);
        let _ = source.rounding(name);
    }
    assert!(source.read("no such tensor", 0, &mut [0.0]).is_err());
}
