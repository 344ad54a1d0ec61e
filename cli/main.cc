// multiraftctl: see `multiraftctl help`.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "cli/cli.h"
#include "cli/interrupt.h"

namespace {

constexpr int kInterruptedExit = 130;

// Ctrl-C and SIGTERM are taken by one thread, as calls and not as signals.
class SignalThread {
 public:
  // Before any other thread: they inherit what is blocked.
  explicit SignalThread(cli::Interrupt& interrupt) {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, kStop}) {
      sigaddset(&signals_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this, &interrupt] { Loop(interrupt); });
  }

  ~SignalThread() {
    pthread_kill(thread_.native_handle(), kStop);
    thread_.join();
  }

 private:
  static constexpr int kStop = SIGUSR1;

  void Loop(cli::Interrupt& interrupt) {
    while (true) {
      int signal = 0;
      if (sigwait(&signals_, &signal) != 0 || signal == kStop) return;
      // Nobody waits for it, or not for the second one. Sessions expire.
      if (!interrupt.Trigger()) _exit(kInterruptedExit);
    }
  }

  sigset_t signals_;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_DFL);  // `multiraftctl map events m | head` ends.
  cli::Interrupt interrupt;
  const SignalThread signals(interrupt);
  cli::Environment environment{
      .out = std::cout, .err = std::cerr, .interrupt = interrupt};
  if (const char* server = std::getenv("MULTIRAFT_SERVER")) {
    environment.default_server = server;
  }
  return cli::RunCli(std::vector<std::string>(argv + 1, argv + argc),
                     environment);
}
