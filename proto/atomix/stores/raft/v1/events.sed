# The events of the second generation's node service are those of the first's:
# a sed script (sed -E) that takes them out of atomix/multiraft/v1/node.proto.

# All that comes before them: the service and its requests.
1,/^\/\/ Something that happened/ {
  s#^// Something that happened#// Made from the first generation's node.proto by events.sed.\
syntax = "proto3";\
\
package atomix.stores.raft.v1;\
\
import "google/protobuf/timestamp.proto";\
\
&#
  t
  d
}

# Number 4 has another name.
s#\<MembershipChangedEvent\>#ConfigurationChangedEvent#
s#\<membership_changed\>#configuration_changed#
