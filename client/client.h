// The C++ client of multiraft, as one header.
//
//   auto client = client::Client::Connect({"10.0.0.1:5678", "10.0.0.2:5678"},
//                                         {});
//   if (!client.ok()) ...
//   ASSIGN_OR_RETURN(auto users, client::Map::Open(**client, "users"));
//   ASSIGN_OR_RETURN(auto put, users.Put("ann", "admin"));
//
//   auto events = users.Events("");   // Read by another thread, say.
//   while (true) {
//     ASSIGN_OR_RETURN(auto event, events->Next());
//     ...
//   }
//
// Everything is synchronous, thread-safe unless it says otherwise, ends in a
// known time, and says in an absl::Status what went wrong. To wait for many
// things at once there are Async (calls with callbacks) and Follow (streams
// with callbacks). Programs to start from are in examples/.
//
// Where to read on:
//   cluster_client.h   Client: which servers, where keys go, lost sessions
//   counter.h, countermap.h, election.h, indexedmap.h, list.h, lock.h, map.h,
//   multimap.h, set.h, value.h   the primitives
//   stream.h           events and watches
//   status.h           what an error means
//   async.h, follow.h  callbacks
//
// Below that, for one server and sessions by hand, as tools want them:
//   connection.h       one server
//   session.h          what a session is, and when it is lost
//   leader_watch.h, admin.h   what needs no session
//
// Of that layer objects borrow what they were made of: a connection outlives
// its sessions, a session its primitives and their streams. What comes of a
// Client looks after itself. There is no global state.

#ifndef CLIENT_CLIENT_H_
#define CLIENT_CLIENT_H_

#include "client/admin.h"
#include "client/async.h"
#include "client/cluster_client.h"
#include "client/connection.h"
#include "client/counter.h"
#include "client/countermap.h"
#include "client/election.h"
#include "client/election_term.h"
#include "client/follow.h"
#include "client/indexedmap.h"
#include "client/leader_watch.h"
#include "client/list.h"
#include "client/lock.h"
#include "client/map.h"
#include "client/multimap.h"
#include "client/primitive_name.h"
#include "client/session.h"
#include "client/set.h"
#include "client/status.h"
#include "client/stream.h"
#include "client/value.h"
#include "client/wait_options.h"

#endif  // CLIENT_CLIENT_H_
