"""Where expected PCRs come from (Reference Values, RFC 9334 section 8.3): images, nitro-cli's output, formulas."""
