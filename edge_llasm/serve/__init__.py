"""The assistant over HTTP, in the shape of OpenAI's API; needs the [serve] extra."""
