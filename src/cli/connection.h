/* Which server, and with which token.  Layer cli; main thread.
 *
 * Address: --url, else $SURICATE_URL, else what the local server wrote to
 * DATA/server.json.  Token: $SURICATE_TOKEN, else DATA/owner.token; the owner's
 * token goes only to the server of that folder, never to an address given by hand
 * unless --data names the folder too.  Tokens are never arguments: the process
 * list shows those to everybody. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

struct client;
/* url and data are the options' values or NULL. */
bool connection_open(const char *url, const char *data, struct client **ret, struct su_err *err);
/* The data folder: given, else $SURICATE_DATA, else the default of this user. Caller frees. */
char *connection_data_dir(const char *given);
