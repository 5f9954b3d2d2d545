"""The real packages in booted Debians: `make system-test`."""
