//! What is made of an answer.
