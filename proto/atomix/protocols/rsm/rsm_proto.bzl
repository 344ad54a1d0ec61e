"""rsm_proto: a .proto file of the second generation, made from the first's."""

load("//third_party:proto.bzl", "proto_cc_library")

def rsm_proto(name, deps = [], grpc = False):
    """Makes <name>.proto and its C++ library.

    Args:
      name: path of the file below both //proto/atomix/multiraft and this
        folder, without ".proto"; also the library's.
      deps: rsm_proto targets that the file imports.
      grpc: also generate its services.
    """
    folder, file = name.rsplit("/", 1)
    first = "//proto/atomix/multiraft/%s:%s_proto" % (folder, file)
    native.genrule(
        name = name + "_made",
        srcs = [
            first,
            "differences.sed",
        ],
        outs = [name + ".proto"],
        cmd = "sed -E -f $(location differences.sed) $(location %s) >$@" % first,
    )
    proto_cc_library(
        name = name,
        src = name + ".proto",
        grpc = grpc,
        deps = deps,
    )
