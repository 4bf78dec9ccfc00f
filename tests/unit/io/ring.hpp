// SPDX-License-Identifier: Apache-2.0
//
// A ring and a file, without a log.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "../log/log_fixture.hpp"

namespace warden::log::test {

// A ring and a file to write to, as the log makes them.
struct RingAndFile {
  bool make(const TempDir& temp) {
    disk = io::make_real_disk(io::Backend::uring);
    std::string note;
    return disk->open_dir(temp.path().c_str(), true, dir) == 0 &&
           dir->open("file", io::Open::create, file) == 0 && dir->make_queue(8, queue, note) == 0 &&
           page != nullptr;
  }
  void write(std::uint64_t tag) { queue->write(*file, page.get(), io::kPageBytes, 0, tag); }
  // Waits for one completion.
  io::Completion next() {
    io::Completion done;
    while (queue->reap(&done, 1) == 0) queue->wait(kNever);
    return done;
  }

  std::unique_ptr<io::Disk> disk;
  std::unique_ptr<io::Dir> dir;
  std::unique_ptr<io::File> file;
  std::unique_ptr<void, decltype(&std::free)> page{std::aligned_alloc(4096, 4096), std::free};
  std::unique_ptr<io::Queue> queue;  // goes first: its writes are of the page
};

}  // namespace warden::log::test
