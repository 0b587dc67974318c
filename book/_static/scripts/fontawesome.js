// Takes the place of the theme's file of this name: 1.5 MB of icons as pictures, on every page.
// The theme's own font has the same icons.
