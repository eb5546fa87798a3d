/* Reaching keepers by their folders.  Layer compute, private. */
#pragma once
#include <sys/socket.h>
#include "compute/kernel.h"

/* Connect to the keeper whose keeper.json stands in folder.  SU_NOT_FOUND: it is gone. Non-blocking descriptor. */
bool keeper_dial(const char *folder, int *ret_fd, struct su_err *err);
bool keeper_dial_socket(const char *socket_path, int type, int *ret_fd, struct su_err *err);
/* One order and its answer, waiting at most timeout_ms; ret may be NULL for orders without an answer. */
bool keeper_ask(int fd, const json_t *order, int timeout_ms, json_t **ret, struct su_err *err);
/* Wait until the peer closes (true) or the time is over. */
bool keeper_wait_closed(int fd, int timeout_ms);
