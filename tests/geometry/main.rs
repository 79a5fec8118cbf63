//! The geometry of models: distances and how near they come, values read again, passes that are continued.

mod accuracy;
mod distances;
mod of_distances;
mod resume;
mod values;
