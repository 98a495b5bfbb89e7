import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Organisation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='What programs send as x-gw-ims-org-id: “default”, “1234@AdobeOrg”. It stays as it is.', max_length=64, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9][A-Za-z0-9@._-]{0,63}\\Z', 'Use letters, digits, “@”, “.”, “_” and “-”, at most 64, beginning with a letter or digit.')])),
                ('title', models.CharField(blank=True, help_text='As people call it.', max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='ApiClient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The program, as people call it: “Nightly survey upload”.', max_length=120)),
                ('technical_account', models.CharField(blank=True, help_text='The user that its batches are created by. Left empty, one is made of the name.', max_length=120)),
                ('active', models.BooleanField(default=True, editable=False)),
                ('created_by', models.CharField(editable=False, max_length=150)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('secret_made_at', models.DateTimeField(editable=False)),
                ('application', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='api_client', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='clients', to='access.organisation')),
            ],
            options={
                'verbose_name': 'API client',
                'ordering': ['organisation__name', 'name'],
            },
        ),
        migrations.CreateModel(
            name='Allowance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='allowances', to='access.apiclient')),
            ],
        ),
        migrations.CreateModel(
            name='Sandbox',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='What programs send as x-sandbox-name, in lower case. It stays as it is.', max_length=64, validators=[django.core.validators.RegexValidator('\\A[a-z0-9][a-z0-9-]{0,63}\\Z', 'Use lower-case letters, digits and “-”, at most 64, beginning with a letter or digit.')])),
                ('title', models.CharField(blank=True, help_text='As people call it.', max_length=120)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sandboxes', to='access.organisation')),
            ],
            options={
                'verbose_name_plural': 'sandboxes',
                'ordering': ['organisation__name', 'name'],
            },
        ),
        migrations.AddField(
            model_name='apiclient',
            name='sandboxes',
            field=models.ManyToManyField(blank=True, help_text='Where it may work. With none chosen, in every sandbox of its organisation.', related_name='clients', through='access.Allowance', to='access.sandbox'),
        ),
        migrations.AddField(
            model_name='allowance',
            name='sandbox',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='access.sandbox'),
        ),
        migrations.AddConstraint(
            model_name='sandbox',
            constraint=models.UniqueConstraint(fields=('organisation', 'name'), name='one_sandbox_per_name'),
        ),
        migrations.AddConstraint(
            model_name='apiclient',
            constraint=models.UniqueConstraint(fields=('organisation', 'name'), name='one_client_per_name'),
        ),
        migrations.AddConstraint(
            model_name='allowance',
            constraint=models.UniqueConstraint(fields=('client', 'sandbox'), name='one_allowance_per_sandbox'),
        ),
    ]
