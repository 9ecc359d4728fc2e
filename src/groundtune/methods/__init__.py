"""One small file a published method: formula, source, parameters, loss. No model, no I/O."""
