/** A notebook that reads the object: made when there is none, opened when there is. */
import {useState} from "preact/hooks";
import {api, inPath, Problem} from "../../api/client";
import {navigate} from "../../router";
import {ProblemBox} from "../../ui";

/** Two cells: what it is about, and reading it. */
function notebookOn(name: string, title: string): object {
  const code = `import suricate as s\n\nframe = s.read(${JSON.stringify(name)})\nframe.head()`;
  return {
    nbformat: 4, nbformat_minor: 5, metadata: {kernelspec: {name: "python3", display_name: "Python 3", language: "python"}},
    cells: [
      {id: "title", cell_type: "markdown", metadata: {}, source: `# ${title}`},
      {id: "read", cell_type: "code", metadata: {}, source: code, outputs: [], execution_count: null},
    ],
  };
}

export function OpenInNotebook({name}: {name: string}) {
  const [problem, fail] = useState<Problem | null>(null);
  const open = async (): Promise<void> => {
    const base = name.replace(/\.[a-z0-9]+(\.gz)?$/i, "") || "data";
    const target = `explore/${base}.ipynb`;
    try {
      await api(`/v1/notebooks/${inPath(target)}`, {method: "PUT", body: notebookOn(name, base), headers: {"If-None-Match": "*"}});
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) return fail(error as Problem);
    }
    navigate(`/notebooks/${inPath(target)}`);
  };
  return <><button onClick={() => void open()}>Open in a notebook</button>{problem && <ProblemBox problem={problem} />}</>;
}
