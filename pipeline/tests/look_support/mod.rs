//! What the look tests share: pictures of known colours in every codec, a city around them, and the stages that
//! look at them.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod pictures;
pub mod street;
