#!/bin/sh
echo "bazel coverage is not supported here: Debian has no coverage tools for Bazel" >&2
exit 1
