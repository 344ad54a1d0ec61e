// Box is a primitive for the tests of session/: a little of everything that a
// primitive can ask of the state machine. Inputs are words separated by spaces.
//
//   Add                 adds 1 to its count, answers the count
//   Put KEY VALUE [TTL] stores; an event and a change, "KEY=VALUE"
//   Drop KEY            removes; an event and a change, "KEY!"
//   Lock [TIMEOUT]      answers "locked", or waits for it, then kTimeout
//   Unlock              releases; kConflict if the session does not hold it
//   Hold N              the session holds N more items, which its end releases
//   Fail, Silent        a domain error; no answer at all
//   Events [KEY]        a stream command
//   Get KEY             a query
//   Later               as Add, since machine version kMachineVersionNext
//   List [watch]        a stream query: "KEY=VALUE"
//   Chores N            N slices of work that it puts off, each as much as
//                       kChoreItems; Get "chores" tells how many are left

#ifndef SESSION_TESTING_BOX_H_
#define SESSION_TESTING_BOX_H_

#include <cstdint>

#include "session/registry.h"

namespace session::testing {

// Operations of a box; the same numbers for "crate", its twin.
enum BoxOperation : uint32_t {
  kAdd = 1,
  kPut,
  kDrop,
  kLock,
  kUnlock,
  kHold,
  kFail,
  kSilent,
  kEvents,
  kGet,
  kList,
  kLater,
  kChores,
};

inline constexpr uint64_t kChoreItems = 50;

// "box" (test.Box, test.OldBox), "crate" (test.Crate), which is the same, and
// "chest" (test.Chest), too, since machine version kMachineVersionNext.
const Registry& BoxRegistry();

}  // namespace session::testing

#endif  // SESSION_TESTING_BOX_H_
