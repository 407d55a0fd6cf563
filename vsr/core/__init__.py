"""What every room uses: clock, errors, files, numbers, machine, progress, fingerprints of outputs."""
