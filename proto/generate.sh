#!/bin/sh
# Makes proto/gen: stubs, and the descriptors that server reflection hands out. Run by `npm run generate`.
set -eu
modules=${1:-node_modules}
buf generate
# Health and channelz come with the libraries that serve them. Descriptor sets may be joined end to end.
grpc_js=$modules/@grpc/grpc-js/proto
{
  buf build --exclude-source-info -o -
  buf build --exclude-source-info "$grpc_js" --path "$grpc_js/channelz.proto" -o -
  buf build --exclude-source-info "$modules/grpc-health-check/proto" -o -
} >proto/gen/descriptor.binpb
