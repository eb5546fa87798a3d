/** What pages share with the shell, named here so that it lies in the shell's chunk and is loaded once. */
import "preact/hooks";
import "@preact/signals";
import "./api/client";
import "./api/events";
import "./api/socket";
import "./resource";
import "./router";
import "./text";
import "./ui";
