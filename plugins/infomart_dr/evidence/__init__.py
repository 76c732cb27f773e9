"""What a run leaves behind as proof: noted facts, manifests, reports."""
