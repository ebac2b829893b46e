"""Ways of working that join several parts: score, pick, train, choose."""
