/* Which network addresses are public.  Layer aggregate; pure.
 *
 * By the IANA special-purpose registries: everything that is not globally
 * reachable is private here (loopback, link-local, shared, documentation …), and
 * so is every IPv6 form that carries an IPv4 address (mapped, 6to4, Teredo,
 * NAT64): such a form is a way around the check and never needed. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

bool address_is_public(const struct sockaddr *address);
