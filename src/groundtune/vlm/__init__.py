"""Everything that depends on a model family: loading, chat template, image features."""
