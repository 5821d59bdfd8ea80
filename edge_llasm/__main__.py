"""`python -m edge_llasm`, the same as `edge-llasm`."""

from edge_llasm.cli import main

if __name__ == "__main__":
    main()
