//! Clients that wait for keys.

use crate::Bench;
use crate::common::{Value, wait_until};
