// The C++ client of multiraft: sessions, and the primitives that are used in
// them.
//
//   client::Connection connection({.server = "127.0.0.1:5678"});
//   ASSIGN_OR_RETURN(auto session, client::Session::Open(connection, {}));
//   ASSIGN_OR_RETURN(auto users, client::Map::Open(*session, "users"));
//   ASSIGN_OR_RETURN(auto put, users.Put("ann", "admin"));
//
//   auto events = users.Events("");   // In another thread, say.
//   while (true) {
//     ASSIGN_OR_RETURN(auto event, events->Next());
//     ...
//   }
//
// Where to read on:
//   connection.h   which server, how long a call may take
//   session.h      what a session is, and when it is lost
//   counter.h, countermap.h, election.h, indexedmap.h, list.h, lock.h, map.h,
//   multimap.h, set.h, value.h   the primitives
//   stream.h       events and watches
//   leader_watch.h, admin.h   what needs no session
//   status.h       what an error means
//
// Objects borrow what they were made of: a connection outlives its sessions, a
// session its primitives and their streams. There is no global state.

#ifndef CLIENT_CLIENT_H_
#define CLIENT_CLIENT_H_

#include "client/admin.h"
#include "client/connection.h"
#include "client/counter.h"
#include "client/countermap.h"
#include "client/election.h"
#include "client/election_term.h"
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
