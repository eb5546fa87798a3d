/* The system call filter of kernels, compiled to BPF files.  Layer compute.  The one user of libseccomp.
 *
 * Two programs, both loaded: the first allows a list and answers ENOSYS to the rest
 * (EPERM where a program should know it is forbidden); the second looks at arguments.
 * Foreign architectures (32-bit, x32) are killed. */
#pragma once
#include "base/err.h"

#define FILTER_LIST "filter-list.bpf"
#define FILTER_ARGUMENTS "filter-arguments.bpf"

/* Write both into folder. */
bool filter_write(const char *folder, struct su_err *err);
