/** What every stream has: time, key, what is kept. */
import {CheckField, SelectField, TextField, useForm} from "./fields";

export function MessageFields() {
  const {draft} = useForm();
  return (
    <div class="fields">
      <TextField label="Time field" name="time.field" is="timeField" placeholder="at" mono hint="Where a message's own time stands. Empty: when it arrives." />
      {draft.timeField && <SelectField label="Time is given as" name="time.format" is="timeFormat" options={[["auto", "found by itself"],
        ["rfc3339", "2026-01-01T12:00:00Z"],
        ["s", "seconds since 1970"], ["ms", "milliseconds since 1970"], ["us", "microseconds since 1970"], ["ns", "nanoseconds since 1970"]]} />}
      {draft.timeField && <SelectField label="Without a time, a message" name="time.missing" is="timeMissing"
        options={[["refuse", "is refused"], ["arrival", "gets its arrival"]]} />}
      <TextField label="Key field" name="key" is="key" placeholder="sensor" mono hint="Who or what a message is about; charts draw a line for each." />
      <SelectField label="A message is" name="format" is="format"
        options={[["json", "JSON (a list: one each)"], ["ndjson", "JSON, one a line"], ["text", "a line of text"]]} />
    </div>
  );
}

export function KeepFields() {
  const {draft} = useForm();
  return (
    <div class="fields">
      <TextField label="Keep for" name="retention.age" is="age" placeholder="7d" hint="0s: for ever" />
      <TextField label="Keep at most, bytes" name="retention.bytes" is="bytes" placeholder="no limit" />
      <TextField label="Keep at most, messages" name="retention.messages" is="messages" placeholder="no limit" />
      <TextField label="Wait for late messages" name="delay" is="delay" placeholder="0s" hint="Windows close so much later." />
      <TextField label="Close windows when quiet for" name="idle" is="idle" placeholder="0s" hint="0s: never" />
      {draft.kind !== "derived" && <>
        <TextField label="Times may be ahead by" name="skew" is="skew" placeholder="1m" />
        <TextField label="Largest message, bytes" name="limits.message_bytes" is="messageBytes" placeholder="the server's limit" />
        <TextField label="Most messages a second" name="limits.messages_per_s" is="perSecond" placeholder="no limit" />
      </>}
      <TextField label="Description" name="description" is="description" wide placeholder="What it is, for people" />
      <CheckField label="Paused: takes no messages" is="paused" />
    </div>
  );
}
