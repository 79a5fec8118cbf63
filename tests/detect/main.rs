//! Whole detections: on small networks, by the α rule, and on the small real zoo.

mod alpha;
mod families;
mod increments;
mod readings;
mod zoo;
