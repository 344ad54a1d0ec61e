# How the second generation's .proto files differ from the first's: a sed script
# (sed -E) that turns each file of proto/atomix/multiraft into its counterpart.
# What is not here is the same in both: every other message, field, number and
# RPC. (What the services do differently behind the same messages is the table
# in docs/generations.md.)

1i\
// Made from the first generation's file of the same name by differences.sed.\
//

# --- Names, which do not show on the wire but for those of services -----------

s#atomix/multiraft/#atomix/protocols/rsm/#
s#atomix\.multiraft\.#atomix.protocols.rsm.#
s#\<Command(Request|Response)Headers\>#Proposal\1Headers#g
s#\<Operation(Request|Response)Headers\>#Call\1Headers#g

# --- v1/partition.proto --------------------------------------------------------

# Partitions are not asked who leads.
/^import .*\/(node|timestamp)\.proto";$/d
/^  \/\/ Sends who leads the partition now/,/^  rpc Watch/d
/^message WatchPartitionRequest/,/^}/d
/^message WatchPartitionResponse/,/^}/d
s#^// Partition: sessions of one partition, and who leads it\.#// Partition: sessions of one partition.#

# An unknown session has one code, whatever the call.
s#^  // session is DATA_LOSS, which makes drivers start again, or$#  // session is DATA_LOSS, which makes drivers start again.#
/^  \/\/ PERMISSION_DENIED: a setting of the server\.$/d
s#^  // PERMISSION_DENIED if there is no such session\.$#  // DATA_LOSS if there is no such session.#

# --- v1/fsm.proto, v1/session.proto: what a primitive is called ----------------

/^\/\/ What a primitive is called/,/^}/c\
// What a primitive is called: its name is its identity in a partition, the same\
// one as in the first generation, with an empty profile.\
message PrimitiveSpec {\
  PrimitiveType type = 1;\
  PrimitiveName name = 2;\
}\
\
// A type that is unknown, or another one than the existing primitive's, is\
// FORBIDDEN.\
message PrimitiveType {\
  // As its service is called, without the package: "Map".\
  string name = 1;\
  // "v1".\
  string apiVersion = 2;\
}\
\
// Both may be empty.\
message PrimitiveName {\
  string namespace = 1;\
  string name = 2;\
}
s#^  // namespace, name and profile\. FORBIDDEN#  // name. FORBIDDEN#

# --- <primitive>/v1/service.proto ----------------------------------------------

/^  rpc Events\(/i\
  // The first output is an event of no kind, with the key that was asked for (if\
  // events have keys): from there on the client listens.

/^  \/\/ Prepare, Commit, Abort and Apply are published/,/^$/d

s#^  // The term after each change of leader or queue; not the present one\.$#  // The present term, if there ever was a leader, and the term after each change\
  // of leader or queue.#

# --- set/v1: what changed nothing is said in the output, not by a status -------

s#^message AddOutput \{\}$#message AddOutput {\
  // It was not there.\
  bool added = 1;\
}#
s#^message RemoveOutput \{\}$#message RemoveOutput {\
  // It was there.\
  bool removed = 1;\
}#
s#^  // Adds an element\. ALREADY_EXISTS if it is there; its time to live stays\.$#  // Adds an element. If it is there, its time to live stays.#
s#^  // Removes an element, or NOT_FOUND\.$#  // Removes an element, if it is there.#
