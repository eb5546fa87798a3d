/** Objects */
import type {PageProps} from "../../routes";

export default function Page(_props: PageProps) {
  return <div class="page"><h1>Objects</h1></div>;
}
