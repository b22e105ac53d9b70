import { useState } from "react";
import { Answered } from "../app/Answered";
import { Icon } from "../app/Icon";
import { useKeys } from "../app/useKeys";
import { note } from "../app/useRoute";
import { paths } from "../data/paths";
import { useResource } from "../data/useResource";
import { Group } from "../episode/Reward";
import type { GroupsPage, RunPage } from "../records";
import { RunTabs } from "../runs/RunTabs";
import { Inline } from "../text/Text";

/** The groups of one step of a training: what was paid within each. */
export function GroupsView({ run, step }: { run: string; step: number | null }) {
  const page = useResource<RunPage>(paths.run(run));
  return <Answered of={page}>{(data) => <Groups key={run} page={data} asked={step ?? 1} />}</Answered>;
}

function Groups({ page, asked }: { page: RunPage; asked: number }) {
  const [step, setStep] = useState(asked);
  const groups = useResource<GroupsPage>(paths.groups(page.id, step));
  const [last, setLast] = useState(asked);
  const most = Math.max(groups.data?.steps ?? last, 1);
  if (groups.data && last !== most) setLast(most);
  const to = (next: number) => {
    const within = Math.max(1, Math.min(most, next));
    setStep(within);
    note({ view: "groups", run: page.id, step: within });
  };
  useKeys({ ArrowLeft: () => to(step - 1), ArrowRight: () => to(step + 1), Home: () => to(1), End: () => to(most) });
  return (
    <div className="page wide">
      <RunTabs page={page} view="groups" />
      <div className="bar" role="group" aria-label="Step">
        <button type="button" className="icon" onClick={() => to(step - 1)} disabled={step <= 1} aria-label="Step before"><Icon name="left" /></button>
        <label className="stepper">Step <input type="range" min={1} max={most} value={step} onChange={(event) => to(Number(event.target.value))} /> <output>{step} of {most}</output></label>
        <button type="button" className="icon" onClick={() => to(step + 1)} disabled={step >= most} aria-label="Step after"><Icon name="right" /></button>
      </div>
      <Answered of={groups}>
        {({ groups: found }) => found.length === 0 ? <p className="empty">No group is recorded for this step.</p> : (
          <div className="groups">
            {found.map((group) => (
              <section key={group.task} className="card" aria-label={group.task}>
                <p className="small dim"><span className="kind">{group.type}</span> <Inline text={group.task} /></p>
                <p><Inline text={group.question} /></p>
                <Group run={page.id} group={group.episodes} />
              </section>
            ))}
          </div>
        )}
      </Answered>
    </div>
  );
}
