import { useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Announcer } from './components/announcer.tsx';
import { Composer } from './components/composer.tsx';
import { FiguresView } from './components/figures-view.tsx';
import { Header } from './components/header.tsx';
import { LearningDialog } from './components/learning-dialog.tsx';
import { LearningStatus } from './components/learning-status.tsx';
import { LookupDialog } from './components/lookup-dialog.tsx';
import { ModelDialog } from './components/model-dialog.tsx';
import { ModelStatus } from './components/model-status.tsx';
import { SettingsDialog } from './components/settings-dialog.tsx';
import { Transcript } from './components/transcript.tsx';
import { Welcome } from './components/welcome.tsx';
import { announceAnswers, announceModel } from './state/announcements.ts';
import { useApp } from './state/app-state.ts';

/** The page: header, conversation, figures, composer; at most one dialog above them. */
export function App() {
  const app = useApp();
  const closeDialog = () => {
    app.dialog.value = 'none';
  };

  useEffect(() => announceAnswers(app), []);
  useEffect(() => announceModel(app), []);
  useTheme();
  useEscapeToStop();

  return (
    <>
      <Header />
      <Transcript>{app.chat.conversation.value.turns.length === 0 && <Welcome />}</Transcript>
      <FiguresView />
      <footer class="dock">
        <div class="column">
          <ModelStatus />
          <LearningStatus />
          <Composer />
        </div>
      </footer>
      <Announcer />
      {app.dialog.value === 'model' && <ModelDialog onClose={closeDialog} />}
      {app.dialog.value === 'lookup' && <LookupDialog onClose={closeDialog} />}
      {app.dialog.value === 'learning' && <LearningDialog onClose={closeDialog} />}
      {app.dialog.value === 'settings' && <SettingsDialog onClose={closeDialog} />}
    </>
  );
}

/** Light or dark by choice; by the system's wish otherwise. */
function useTheme(): void {
  const { settings } = useApp();
  useSignalEffect(() => {
    const { theme } = settings.value;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });
}

/** Escape ends the answer being written, wherever the focus is; an open dialog has it first. */
function useEscapeToStop(): void {
  const { chat, dialog } = useApp();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && dialog.peek() === 'none') chat.stop();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}
