"""Tests of the packages as files: built, compared, looked through. `make package-test` runs them."""
