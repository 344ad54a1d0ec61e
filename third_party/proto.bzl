"""proto_cc_library: C++ (and gRPC) code from one .proto with Debian's protoc.

Generated headers are included by the file's path below //proto, which is also
its name in descriptors: `#include "atomix/multiraft/v1/headers.pb.h"`.
"""

_ProtoSources = provider(fields = ["files"])

def _proto_gen_impl(ctx):
    src = ctx.file.src
    transitive = depset([src], transitive = [d[_ProtoSources].files for d in ctx.attr.deps])
    root = ctx.attr.root
    relative = src.short_path[len(root) + 1:]
    base = relative[:-len(".proto")]
    suffixes = [".pb.h", ".pb.cc"] + ([".grpc.pb.h", ".grpc.pb.cc"] if ctx.attr.grpc else [])

    # Outputs sit in the calling package; `base` is relative to the root, so
    # strip the package part.
    package = ctx.label.package[len(root):].lstrip("/")
    local = base[len(package):].lstrip("/")
    outs = [ctx.actions.declare_file(local + s) for s in suffixes]
    out_dir = outs[0].path[:-len(base + ".pb.h") - 1]

    args = ctx.actions.args()
    args.add("-I" + root)
    if [f for f in transitive.to_list() if not f.is_source]:
        # It, or what it imports, is itself generated, below the same root.
        args.add("-I" + ctx.bin_dir.path + "/" + root)
    args.add("--cpp_out=" + out_dir)
    if ctx.attr.grpc:
        args.add("--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
        args.add("--grpc_out=" + out_dir)
    args.add(src.path)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = transitive,
        outputs = outs,
        mnemonic = "Protoc",
        progress_message = "Generating C++ from %s" % src.short_path,
    )
    return [
        DefaultInfo(files = depset(outs)),
        OutputGroupInfo(
            hdrs = depset([o for o in outs if o.path.endswith(".h")]),
            srcs = depset([o for o in outs if o.path.endswith(".cc")]),
        ),
        _ProtoSources(files = transitive),
    ]

_proto_gen = rule(
    implementation = _proto_gen_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".proto"]),
        "deps": attr.label_list(providers = [_ProtoSources]),
        "root": attr.string(default = "proto"),
        "grpc": attr.bool(default = False),
    },
)

def proto_cc_library(name, src, deps = [], grpc = False, **kwargs):
    """A cc_library with the messages (and services) of one .proto file.

    Args:
      name: the target, also of its C++ library.
      src: the .proto file, somewhere below //proto.
      deps: proto_cc_library targets that the file imports.
      grpc: also generate the services.
      **kwargs: visibility and the like.
    """
    gen_deps = []
    for d in deps:
        if ":" in d:
            gen_deps.append(d + "_gen")
        else:
            gen_deps.append(d + ":" + d.split("/")[-1] + "_gen")
    _proto_gen(
        name = name + "_gen",
        src = src,
        deps = gen_deps,
        grpc = grpc,
        visibility = ["//visibility:public"],
    )
    native.filegroup(
        name = name + "_proto",
        srcs = [src],
        visibility = ["//visibility:public"],
    )
    native.filegroup(
        name = name + "_hdrs",
        srcs = [":" + name + "_gen"],
        output_group = "hdrs",
    )
    native.filegroup(
        name = name + "_srcs",
        srcs = [":" + name + "_gen"],
        output_group = "srcs",
    )
    strip = "/proto"
    native.cc_library(
        name = name,
        srcs = [":" + name + "_srcs"],
        hdrs = [":" + name + "_hdrs"],
        strip_include_prefix = strip,
        copts = ["-w"],
        deps = deps + ["//third_party:protobuf"] + (["//third_party:grpc"] if grpc else []),
        **kwargs
    )
