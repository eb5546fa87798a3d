/** Drawings: as a picture, so that nothing in them runs; what could take for ever to draw goes to a frame. */
import {useMemo} from "preact/hooks";
import {Frame} from "./frame";
import {Shown, useBlob} from "./image";
import {isHeavy, sizeOf} from "./drawing";

export function Svg({svg, wanted}: {svg: string; wanted: {width?: number; height?: number; alt: string}}) {
  const heavy = useMemo(() => isHeavy(svg), [svg]);
  const address = useBlob(heavy ? null : svg, "image/svg+xml");
  const size = useMemo(() => sizeOf(svg), [svg]);
  if (heavy) return <Frame job={{kind: "svg", svg, alt: wanted.alt}} title={wanted.alt} isWaiting size={svg.length} />;
  return address ? <Shown address={address} wanted={wanted} size={size} /> : <div class="out-wait" />;
}
