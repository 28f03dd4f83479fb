/** Line icons, drawn for this page on a 20 × 20 grid. Decorative: the button around one carries the name. */
const paths = {
  send: 'M10 16V4M4.5 9.5 10 4l5.5 5.5',
  stop: 'M5.5 5.5h9v9h-9z',
  copy: 'M7.5 7.5h8v8h-8zM4.5 12.5v-8h8',
  done: 'm4.5 10.5 3.5 3.5 7.5-8',
  redo: 'M15.5 8A6 6 0 1 0 16 11.5M15.5 4v4h-4',
  edit: 'm4.5 15.5.7-3.2 7.6-7.6 2.5 2.5-7.6 7.6zM11.3 6.2l2.5 2.5',
  plus: 'M10 4.5v11M4.5 10h11',
  sliders: 'M4 6.5h6.5M14.5 6.5H16M4 13.5h1.5M9.5 13.5H16M12.5 4.5v4M7.5 11.5v4',
  close: 'm5.5 5.5 9 9M14.5 5.5l-9 9',
  down: 'M10 4v12M4.5 10.5 10 16l5.5-5.5',
  eye: 'M2.5 10c2-3.3 4.5-5 7.5-5s5.5 1.7 7.5 5c-2 3.3-4.5 5-7.5 5s-5.5-1.7-7.5-5zM10 7.8a2.2 2.2 0 1 0 .01 0',
  chevron: 'm6 8 4 4 4-4',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}
