/** Pictures: shown from a blob, at the size their header says, with something to say to who cannot see them. */
import {useEffect, useMemo, useState} from "preact/hooks";
import {bytes as inBytes, count} from "../text";
import type {Wanted} from "./wanted";
import {decoded, isBomb, pictureOf, type Picture} from "./picture";

/** An address for bytes, for as long as the component lives. */
export function useBlob(data: BlobPart | null, type: string): string | null {
  const [address, set] = useState<string | null>(null);
  useEffect(() => {
    if (data === null) return undefined;
    const made = URL.createObjectURL(new Blob([data], {type}));
    set(made);
    return () => URL.revokeObjectURL(made);
  }, [data, type]);
  return address;
}

export function Shown({address, wanted, size}: {address: string; wanted: Wanted; size: {width: number; height: number} | null}) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <p class="out-note">This picture is damaged. <a href={address} download="picture">Download it</a></p>;
  const width = wanted.width ?? (wanted.height && size ? Math.round((wanted.height * size.width) / size.height) : size?.width);
  const height = wanted.height ?? (wanted.width && size ? Math.round((wanted.width * size.height) / size.width) : size?.height);
  return <img class="out-image" src={address} alt={wanted.alt} width={width} height={height} decoding="async" onError={() => setBroken(true)} />;
}

export function Raster({base64, type, wanted}: {base64: string; type: string; wanted: Wanted}) {
  const data = useMemo(() => decoded(base64), [base64]);
  const picture = useMemo<Picture | null>(() => data && pictureOf(data), [data]);
  const isShown = picture !== null && !isBomb(picture);
  const address = useBlob(data, isShown ? picture.type : "application/octet-stream");
  if (!data) return <p class="out-note">This picture is damaged: it is not base64.</p>;
  if (!address) return <div class="out-wait" />;
  if (isShown) return <Shown address={address} wanted={wanted} size={picture} />;
  const name = `picture.${type.split("/")[1] ?? "bin"}`;
  return (
    <p class="out-note">
      {picture
        ? `This picture of ${count(picture.width)} × ${count(picture.height)} pixels is too large to be shown here. `
        : "This is no picture that can be shown. "}
      <a href={address} download={name}>Download it ({inBytes(data.length)})</a>
    </p>
  );
}
