//! Credentials: what is sent, and when it is asked for anew.
